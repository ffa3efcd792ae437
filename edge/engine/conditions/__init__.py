"""The conditions of rules: what they say, and how they are judged sample by sample. Pure."""

from edge.engine.conditions.threshold import LOST_AFTER, Condition, ConditionState, step

__all__ = ["LOST_AFTER", "Condition", "ConditionState", "step"]

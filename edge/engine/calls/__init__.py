"""Call and answer (叫应): who is asked after an alarm, again and further up, until one answers.

``Caller`` is fed alarms, outcomes, answers and time, and says whom to ask and what to record; the
state of before a restart is folded from its own records. Pure.
"""

from __future__ import annotations

"""The conditions of rules: what they say, and how they are judged sample by sample. Pure."""

"""Development only: nothing that ships imports from here."""

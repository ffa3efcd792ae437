"""From the journal to the district: reader, links, receiver."""

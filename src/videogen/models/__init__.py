"""What `videogen models` does, one verb a module."""

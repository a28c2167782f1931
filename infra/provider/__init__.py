"""Our Pulumi plugin: translates between the engine and `videogen`, which does everything real."""

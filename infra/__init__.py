"""What exists: the Pulumi program. `settings` → `foundation` → `phase` → `outputs`; `provider/` is our own plugin."""

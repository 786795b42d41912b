"""The rules, pure: tags and versions, image tags, labels, platforms, what a source declares. No I/O."""

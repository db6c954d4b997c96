"""Go templates, carried out as far as files know their values."""

"""Database against lake, day by day and namespace by namespace."""

"""Argo's side of the story, without a cluster: a Postgres, an S3, Argo's tables and invented workflows in them."""

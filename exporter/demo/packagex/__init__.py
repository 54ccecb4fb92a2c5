"""PackageX's part of the mock API; Inkit's stands beside this folder."""

"""PackageX's part of the stand-in; Inkit's stands beside this folder."""

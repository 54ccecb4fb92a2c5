"""Tests. They leave the environment that they are started in before anything of it is read."""

from tests.support import environment

environment.leave()

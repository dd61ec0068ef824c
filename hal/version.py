"""The version of hal, written once."""

VERSION = "0.1.0"

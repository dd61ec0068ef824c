"""What operators are tried with, a module per kind of operator."""

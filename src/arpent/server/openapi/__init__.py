"""The OpenAPI document: what each operation takes, what it answers, and what clients may rely on."""

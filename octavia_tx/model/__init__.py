"""The system's nouns as frozen values, and the pure rules about them."""

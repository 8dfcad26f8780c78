"""Seeds whose venue is a vendor's simulator, spoken to by the real adapter over the loopback."""

"""What listens: requests read within bounds, files served, uploads taken, the application."""

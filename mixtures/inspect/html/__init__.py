"""What an inspection found as one HTML file: tables, plots, and records with the boxes drawn on their images."""

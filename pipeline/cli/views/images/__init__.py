"""Plots in a .png, .svg or .pdf file."""

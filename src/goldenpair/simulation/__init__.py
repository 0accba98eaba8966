"""Boards drawn by code: parts, what befalls them, surfaces, lights and the camera; and a line that makes them."""

"""yt-dlp behind typed values. Imports no Django; only ``child.py`` and what it calls in the child import yt_dlp."""

"""From settings to components, one file a part of the system; `blueprint` puts them in order."""

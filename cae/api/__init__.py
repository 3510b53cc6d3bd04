"""What `import cae` offers: the commands, with objects instead of files and exceptions instead of exit codes."""

"""What is cleaned up, and when: rows and files of long ago that nothing needs any more."""

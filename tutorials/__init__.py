"""The course: fourteen notebooks, each written once as ``NN_name.py`` and built for students and for teachers."""

"""Images and labels, in reading order: ``samples`` (data sets on disk), ``images`` (image files), ``augment`` (training
batches), ``street`` (drawn scenes), ``store`` (files that are written whole)."""

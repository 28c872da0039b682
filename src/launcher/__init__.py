"""Starting a program under the tracker: recognise it, prepare its run folder, run it, say what happened."""

"""Pages for operators beside the admin's lists: queue, store, system. They look, and call the same verbs."""

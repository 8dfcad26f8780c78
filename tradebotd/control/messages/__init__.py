"""The JSON shapes of the control API, a module a subject: money as strings, times in UTC with Z."""

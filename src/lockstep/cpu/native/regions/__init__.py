"""Hot code of a page compiled as a whole: guest registers stay in the host's between exits."""

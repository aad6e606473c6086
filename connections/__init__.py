"""One connection per login, shared by listener, responder and desk; HTTP, safe fetching, signatures."""

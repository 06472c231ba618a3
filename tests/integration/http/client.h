#pragma once

#include <string>

namespace outboard::http {

// One TCP connection to an HTTP server on 127.0.0.1, as good or as bad a client as a test wants.
class Client {
 public:
  explicit Client(int port);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void Send(const std::string& bytes);
  // One whole answer, headers and body (by Content-Length); what there was, if the connection ended
  // before. `head`: the answer to HEAD, which has no body.
  std::string ReadAnswer(bool head = false);
  // Whether an answer, or the end, is there to be read.
  bool Readable() const;
  // True if the server has closed the connection; waits for it.
  bool ReadEnd();

 private:
  bool ReadMore();

  int fd_ = -1;
  std::string buffer_;
};

// The answer to one request on a connection of its own.
std::string Get(int port, const std::string& path, const std::string& method = "GET");

}  // namespace outboard::http

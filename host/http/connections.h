#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <list>

#include "host/access/certificate.h"
#include "host/base/clock.h"

namespace outboard::http {

class Upload;

struct Connection {
  int fd = -1;
  bool waits = false;  // For an answer of the host; libmicrohttpd must not touch it meanwhile.
  Upload* upload = nullptr;  // Part of a body is here, and takes room.
  Time upload_since{};
  bool evicted = false;                       // Its socket is shut down.
  access::Credentials credentials = nullptr;  // What TLS shows on it; null: no TLS.
};

// All connections, those first that were of no use for the longest time. On the daemon's thread.
class Connections {
 public:
  using Place = std::list<Connection>::iterator;

  // Beyond `comfortable` the least useful ones are closed.
  explicit Connections(size_t comfortable) : comfortable_(comfortable) {}

  Place Add(int fd) {
    const Place place = list_.insert(list_.end(), Connection{fd});
    if (++alive_ > comfortable_) EvictOne();
    return place;
  }
  void Remove(Place place) {
    if (!place->evicted) --alive_;
    list_.erase(place);
  }
  void Used(Place place) { list_.splice(list_.end(), list_, place); }

  // Of bodies that are here in part, the one on the connection that was of no use for the longest
  // time, if it began by `begun`; null: none.
  Upload* FindUpload(Time begun, const Upload* but) const {
    for (const Connection& connection : list_) {
      if (connection.upload == nullptr || connection.upload == but) continue;
      if (connection.upload_since <= begun) return connection.upload;
    }
    return nullptr;
  }

 private:
  void EvictOne() {
    for (Connection& connection : list_) {
      if (connection.waits || connection.evicted) continue;
      // The daemon sees the end, and closes it.
      shutdown(connection.fd, SHUT_RDWR);
      connection.evicted = true;
      --alive_;
      return;
    }
  }

  const size_t comfortable_;
  std::list<Connection> list_;
  size_t alive_ = 0;  // Not evicted.
};

}  // namespace outboard::http

#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "host/base/mutex.h"

// A real RabbitMQ for tests: its own folder, free loopback ports, ended with the program, however
// that ends.
namespace outboard::tests {

// All calls may come from any thread, one is served at a time. What fails aborts the program with
// the broker's log: a test without its broker proves nothing.
class Broker {
 public:
  // The one broker of this test program, started at the first call (up to a minute). If
  // $OUTBOARD_TEST_BROKER names the folder of one that is running already (made by
  // tests/broker/broker.py), that one is used and left running: nobody may stop or kill it.
  static Broker& Shared();

  // A broker of the test's own, for what kills it. Not started yet.
  static std::unique_ptr<Broker> Make();
  // Ends the broker and removes its folder, if it is this program's own.
  ~Broker();
  Broker(const Broker&) = delete;
  Broker& operator=(const Broker&) = delete;

  // Of AMQP; the same over all restarts.
  int port() const { return port_; }
  // A new empty vhost, on which user guest may do everything.
  std::string NewVhost();
  void DeleteVhost(const std::string& vhost);
  // "amqp://guest:guest@127.0.0.1:port/vhost"
  std::string Url(const std::string& vhost) const;

  void Start();  // Blocks until it takes connections. Nothing to do if it runs.
  void Stop();   // In good order.
  void Kill();   // kill -9 of the whole node; what is on disk stays.
  // With the alarm on, the broker blocks the connections of whoever publishes.
  void SetMemoryAlarm(bool on);

  // Runs rabbitmqctl (a second or two); its output.
  std::string Ctl(const std::string& arguments);
  // The value of an Erlang expression inside the node, as text; takes a millisecond.
  std::string Eval(const std::string& expression);
  // What it has on disk, its log and a rabbitmqctl for people; the variables of all its processes
  // name it.
  const std::string& folder() const { return folder_; }

 private:
  // Starts a keeper, or with a folder uses that of one.
  explicit Broker(std::string folder);
  void StartKeeper();
  void Connect();
  std::string Ask(const std::string& request) OUTBOARD_EXCLUDES(mu_);
  void ReadMore() OUTBOARD_REQUIRES(mu_);

  std::string folder_;
  pid_t keeper_ = 0;
  int lifeline_ = -1;  // the keeper's stdin: its end is the broker's
  int control_ = -1;
  int port_ = 0;
  Mutex mu_;
  std::string received_ OUTBOARD_GUARDED_BY(mu_);
};

}  // namespace outboard::tests

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "host/conform/connection.h"
#include "host/conform/process.h"
#include "host/conform/rule.h"
#include "host/conform/samples.h"
#include "host/conform/session.h"
#include "host/supervise/program.h"

namespace outboard::conform {

// Which plugin is judged, and how.
struct Subject {
  supervise::ProgramSpec program;  // Launched; argv empty: at `address`.
  std::string address;
  std::string config_json = "{}";
  std::vector<event::v1::Event> events;          // Empty: made up.
  Duration patience = std::chrono::seconds(10);  // For one sign of life.
  Duration start_timeout = std::chrono::seconds(60);
  bool show_output = false;

  bool launched() const { return !program.argv.empty(); }
};

// What the rules of one plugin or component are played with: the plugin's process, a connection,
// sessions, sample events. One thread.
class Stand {
 public:
  explicit Stand(const Subject& subject) : subject_(subject) {}

  const Subject& subject() const { return subject_; }
  Duration patience() const { return subject_.patience; }
  v1::DescribeResponse& description() { return description_; }
  const v1::Component& component() const { return component_; }
  Samples& samples() { return *samples_; }

  // From now on the rules are played with this component.
  void Use(const v1::Component& component);

  // Launches a process if none runs, and connects. UNAVAILABLE: nobody listens at the address; else
  // the program cannot be run.
  absl::Status Ready();
  // Why a launched plugin could not be connected to; empty: it could.
  const std::string& start_fault() const { return start_fault_; }
  // Ends the process, so that the next rule gets a fresh one.
  void Refresh();
  // nullptr: dialled at an address, or none was launched yet.
  Process* process() { return process_.get(); }
  Connection& connection() { return *connection_; }
  std::string address() const;

  // A stream to the component, on connection() or another one. Lives until the rule is over.
  Session& NewStream(Connection* connection = nullptr);
  // The same of another component name.
  Session& NewStreamTo(const std::string& component);
  // To a worker that is none of the plugin's.
  Session& NewEcho(Connection* connection);
  // Opens the session with the config. A finding says why Opened did not come.
  std::optional<Finding> OpenIn(Session& session, Duration time_limit = std::chrono::seconds(30));

  // Sends the deliveries as a fair host does, within the component's limits, and waits for all
  // answers. A finding says what is missing.
  std::optional<Finding> Exchange(Session& session, std::vector<v1::Delivery> deliveries,
                                  size_t frame_size = 256);
  std::optional<Finding> WaitAnswered(Session& session, const std::vector<uint64_t>& ids);
  // Closes the session as a drain does; it must end with OK.
  std::optional<Finding> Drain(Session& session);
  // Most deliveries that may be unanswered.
  size_t MostInFlight() const;
  size_t MaxMessageBytes() const;

  // Played once for each component, by all rules that only watch.
  std::optional<Finding>& ordinary() { return ordinary_; }

  // Of the rule that was played last; they end with TakeSessions.
  std::vector<std::unique_ptr<Session>> TakeSessions() { return std::move(sessions_); }

 private:
  std::string WaitStarted();
  size_t FrameEnd(const std::vector<v1::Delivery>& deliveries, size_t begin, size_t most) const;

  const Subject& subject_;
  v1::DescribeResponse description_;
  v1::Component component_;
  std::optional<Samples> samples_;
  std::unique_ptr<Process> process_;
  std::unique_ptr<Connection> connection_;
  std::string start_fault_;
  std::vector<std::unique_ptr<Session>> sessions_;
  std::optional<Finding> ordinary_;
};

Finding Pass(std::string note = "");
Finding Fail(std::string sent, std::string came, std::string fix = "");
// With what was last sent.
Finding Fail(const Session& session, std::string came, std::string fix = "");
Finding Skip(std::string why);
// "10 s"
std::string Words(Duration duration);

}  // namespace outboard::conform

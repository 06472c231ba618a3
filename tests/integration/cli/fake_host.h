#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "host/app/cli/terminal.h"
#include "host/app/commands.h"
#include "host/base/mutex.h"
#include "outboard/host/v1/admin.grpc.pb.h"
#include "outboard/host/v1/publisher.grpc.pb.h"

namespace outboard::app {

// A folder of its own, gone at the end.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// What a host looks like from outside: a real gRPC server on a unix socket, whose answers the test
// sets beforehand.
class FakeHost final : public host::v1::AdminService::Service,
                       public host::v1::PublisherService::Service {
 public:
  explicit FakeHost(const std::string& socket);
  ~FakeHost() override;

  // Answers, and what was asked.
  host::v1::GetStatusResponse status;
  host::v1::ListLanesResponse lanes;
  host::v1::ListDeadResponse dead;
  host::v1::GroupDeadResponse groups;
  host::v1::DeadLetter letter;
  host::v1::ReplayDeadResponse replayed;
  // Where there are any, what is replayed are these; `replayed` is not looked at.
  std::vector<uint64_t> letters;
  std::function<grpc::Status()> on_replay;  // Before each call that gives letters back.
  std::vector<host::v1::TailResponse> tail;
  // What became of events; a call gets those of its ids.
  std::vector<host::v1::EventStory> stories;
  host::v1::WhySearch searched;
  host::v1::WhyRequest why_request;
  int why_calls = 0;
  grpc::Status failure;  // Of every call, if not OK.

  host::v1::ListDeadRequest list_request;
  host::v1::GroupDeadRequest group_request;
  host::v1::ReplayDeadRequest replay_request;
  host::v1::EditDeadRequest edit_request;
  int edits = 0;
  grpc::Status edit_failure;  // Of EditDead alone, if not OK.
  host::v1::PurgeDeadRequest purge_request;
  host::v1::ForgetLaneRequest forget_request;
  host::v1::TailRequest tail_request;
  int purges = 0;

  // Publishing: events of type "refuse" are refused, "nobody" match nothing; after `break_after`
  // events the stream breaks.
  std::vector<event::v1::Event> published() OUTBOARD_EXCLUDES(mu_);
  size_t published_count() OUTBOARD_EXCLUDES(mu_);
  size_t break_after = SIZE_MAX;
  int largest_request = 0;

 private:
  grpc::Status GetStatus(grpc::ServerContext*, const host::v1::GetStatusRequest*,
                         host::v1::GetStatusResponse* response) override;
  grpc::Status Tail(grpc::ServerContext*, const host::v1::TailRequest* request,
                    grpc::ServerWriter<host::v1::TailResponse>* writer) override;
  grpc::Status ListDead(grpc::ServerContext*, const host::v1::ListDeadRequest* request,
                        host::v1::ListDeadResponse* response) override;
  grpc::Status GroupDead(grpc::ServerContext*, const host::v1::GroupDeadRequest* request,
                         host::v1::GroupDeadResponse* response) override;
  grpc::Status GetDead(grpc::ServerContext*, const host::v1::GetDeadRequest* request,
                       host::v1::GetDeadResponse* response) override;
  grpc::Status EditDead(grpc::ServerContext*, const host::v1::EditDeadRequest* request,
                        host::v1::EditDeadResponse* response) override;
  grpc::Status ReplayDead(grpc::ServerContext*, const host::v1::ReplayDeadRequest* request,
                          host::v1::ReplayDeadResponse* response) override;
  grpc::Status PurgeDead(grpc::ServerContext*, const host::v1::PurgeDeadRequest* request,
                         host::v1::PurgeDeadResponse* response) override;
  grpc::Status Why(grpc::ServerContext*, const host::v1::WhyRequest* request,
                   host::v1::WhyResponse* response) override;
  grpc::Status ListLanes(grpc::ServerContext*, const host::v1::ListLanesRequest*,
                         host::v1::ListLanesResponse* response) override;
  grpc::Status ForgetLane(grpc::ServerContext*, const host::v1::ForgetLaneRequest* request,
                          host::v1::ForgetLaneResponse* response) override;
  grpc::Status Publish(grpc::ServerContext*, const host::v1::PublishRequest* request,
                       host::v1::PublishResponse* response) override;
  grpc::Status PublishStream(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<host::v1::PublishStreamResponse, host::v1::PublishStreamRequest>*
          stream) override;
  host::v1::PublishResult Accept(const event::v1::Event& event) OUTBOARD_EXCLUDES(mu_);

  Mutex mu_;
  std::vector<event::v1::Event> published_ OUTBOARD_GUARDED_BY(mu_);
  std::unique_ptr<grpc::Server> server_;
};

// What a verb said and how it ended.
struct Ran {
  int code;
  std::string out, err;
};

// Runs `outboard ARGUMENTS...` in this process, on no terminal. `input` is its standard input.
Ran RunVerb(std::vector<std::string> arguments, const std::string& input = "");

}  // namespace outboard::app

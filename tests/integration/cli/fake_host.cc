#include "tests/integration/cli/fake_host.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "host/app/cli/command_line.h"

namespace outboard::app {

TempFolder::TempFolder() {
  std::string name = "/tmp/outboard-cli-XXXXXX";  // Short: a socket's path may have 107 bytes.
  EXPECT_NE(mkdtemp(name.data()), nullptr);
  path_ = name;
}

TempFolder::~TempFolder() { std::filesystem::remove_all(path_); }

FakeHost::FakeHost(const std::string& socket) {
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + socket, grpc::InsecureServerCredentials());
  builder.RegisterService(static_cast<host::v1::AdminService::Service*>(this));
  builder.RegisterService(static_cast<host::v1::PublisherService::Service*>(this));
  server_ = builder.BuildAndStart();
  EXPECT_NE(server_, nullptr);
}

FakeHost::~FakeHost() { server_->Shutdown(std::chrono::system_clock::now()); }

std::vector<event::v1::Event> FakeHost::published() {
  MutexLock lock(mu_);
  return published_;
}

size_t FakeHost::published_count() {
  MutexLock lock(mu_);
  return published_.size();
}

grpc::Status FakeHost::GetStatus(grpc::ServerContext*, const host::v1::GetStatusRequest*,
                                 host::v1::GetStatusResponse* response) {
  *response = status;
  return failure;
}

grpc::Status FakeHost::Tail(grpc::ServerContext*, const host::v1::TailRequest* request,
                            grpc::ServerWriter<host::v1::TailResponse>* writer) {
  tail_request = *request;
  for (const host::v1::TailResponse& item : tail) writer->Write(item);
  return failure;
}

grpc::Status FakeHost::ListDead(grpc::ServerContext*, const host::v1::ListDeadRequest* request,
                                host::v1::ListDeadResponse* response) {
  list_request = *request;
  *response = dead;
  return failure;
}

grpc::Status FakeHost::GroupDead(grpc::ServerContext*, const host::v1::GroupDeadRequest* request,
                                 host::v1::GroupDeadResponse* response) {
  group_request = *request;
  *response = groups;
  return failure;
}

grpc::Status FakeHost::GetDead(grpc::ServerContext*, const host::v1::GetDeadRequest* request,
                               host::v1::GetDeadResponse* response) {
  if (request->dead_id() != letter.dead_id()) {
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "there is no dead letter 99; see dead list");
  }
  *response->mutable_letter() = letter;
  return failure;
}

grpc::Status FakeHost::EditDead(grpc::ServerContext*, const host::v1::EditDeadRequest* request,
                                host::v1::EditDeadResponse*) {
  edit_request = *request;
  ++edits;
  return edit_failure.ok() ? failure : edit_failure;
}

grpc::Status FakeHost::ReplayDead(grpc::ServerContext*, const host::v1::ReplayDeadRequest* request,
                                  host::v1::ReplayDeadResponse* response) {
  if (!failure.ok()) return failure;
  if (letters.empty()) {
    replay_request = *request;
    *response = replayed;
    if (replayed.replayed() + replayed.stayed() > 0) response->set_last_dead_id(1);
    return failure;
  }
  if (!request->dry_run() && on_replay) {
    if (grpc::Status status = on_replay(); !status.ok()) return status;
  }
  replay_request = *request;
  std::vector<uint64_t> stay;
  for (const uint64_t id : letters) {
    const host::v1::DeadFilter& filter = request->filter();
    const bool meant = id > filter.after() && (filter.up_to() == 0 || id <= filter.up_to());
    const bool room = request->limit() == 0 || response->replayed() < request->limit();
    if (!meant || !room || request->dry_run()) stay.push_back(id);
    if (!meant || !room) continue;
    response->set_replayed(response->replayed() + 1);
    response->set_last_dead_id(id);
  }
  letters = stay;
  return failure;
}

grpc::Status FakeHost::PurgeDead(grpc::ServerContext*, const host::v1::PurgeDeadRequest* request,
                                 host::v1::PurgeDeadResponse* response) {
  purge_request = *request;
  purges += request->dry_run() ? 0 : 1;
  response->set_purged(request->dry_run() ? dead.total() : 1);
  return failure;
}

grpc::Status FakeHost::Why(grpc::ServerContext*, const host::v1::WhyRequest* request,
                           host::v1::WhyResponse* response) {
  why_request = *request;
  ++why_calls;
  *response->mutable_searched() = searched;
  const auto& ids = request->event_ids();
  for (const host::v1::EventStory& story : stories) {
    const bool asked = std::find(ids.begin(), ids.end(), story.event_id()) != ids.end();
    const bool its = request->source().empty() || request->source() == story.source();
    if (asked && its) *response->add_events() = story;
  }
  return failure;
}

grpc::Status FakeHost::ListLanes(grpc::ServerContext*, const host::v1::ListLanesRequest*,
                                 host::v1::ListLanesResponse* response) {
  *response = lanes;
  return failure;
}

grpc::Status FakeHost::ForgetLane(grpc::ServerContext*, const host::v1::ForgetLaneRequest* request,
                                  host::v1::ForgetLaneResponse* response) {
  forget_request = *request;
  if (request->remainder() == host::v1::ForgetLaneRequest::REMAINDER_UNSPECIFIED) {
    return grpc::Status(grpc::StatusCode::FAILED_PRECONDITION,
                        "lane holds 5 events; say --discard or --to-dead");
  }
  response->set_discarded(5);
  return failure;
}

host::v1::PublishResult FakeHost::Accept(const event::v1::Event& event) {
  host::v1::PublishResult result;
  if (event.type() == "refuse") {
    result.set_code(grpc::StatusCode::RESOURCE_EXHAUSTED);
    result.set_message("the bus is full; raise bus.max_bytes");
    return result;
  }
  MutexLock lock(mu_);
  published_.push_back(event);
  result.set_confirmed(true);
  result.set_matched(event.type() == "nobody" ? 0 : 2);
  return result;
}

grpc::Status FakeHost::Publish(grpc::ServerContext*, const host::v1::PublishRequest* request,
                               host::v1::PublishResponse* response) {
  for (const event::v1::Event& event : request->events()) *response->add_results() = Accept(event);
  return failure;
}

grpc::Status FakeHost::PublishStream(
    grpc::ServerContext*,
    grpc::ServerReaderWriter<host::v1::PublishStreamResponse, host::v1::PublishStreamRequest>*
        stream) {
  host::v1::PublishStreamRequest request;
  while (stream->Read(&request)) {
    largest_request = std::max(largest_request, request.events_size());
    host::v1::PublishStreamResponse response;
    response.set_request_id(request.request_id());
    for (const event::v1::Event& event : request.events()) {
      if (published_count() >= break_after)
        return grpc::Status(grpc::StatusCode::UNAVAILABLE, "the host stops");
      *response.add_results() = Accept(event);
    }
    stream->Write(response);
  }
  return failure;
}

Ran RunVerb(std::vector<std::string> arguments, const std::string& input) {
  arguments.insert(arguments.begin(), "outboard");
  std::vector<const char*> argv;
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  int pipe_ends[2];
  EXPECT_EQ(pipe(pipe_ends), 0);
  std::thread writer([&] {
    for (size_t done = 0; done < input.size();) {
      const ssize_t n = write(pipe_ends[1], input.data() + done, input.size() - done);
      if (n <= 0) break;
      done += static_cast<size_t>(n);
    }
    close(pipe_ends[1]);
  });
  std::ostringstream out, err;
  const Terminal terminal{.in = pipe_ends[0], .out = out, .err = err};
  const int code = RunCommandLine(
      static_cast<int>(argv.size()), argv.data(), terminal,
      [&](const ServeOptions& options) {
        out << "serve " << options.config << (options.json ? " json" : "");
        return 40;
      },
      [&](const CheckOptions& options) {
        out << "check " << options.config << (options.json ? " json" : "")
            << (options.plugins ? " plugins" : "") << (options.broker ? " broker" : "");
        return 41;
      });
  close(pipe_ends[0]);
  writer.join();
  return {code, out.str(), err.str()};
}

}  // namespace outboard::app

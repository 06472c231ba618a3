#include <ostream>

#include "host/app/cli/verbs.h"
#include "host/app/cli/why_text.h"
#include "host/app/cli/why_tree.h"
#include "host/base/text.h"

namespace outboard::app {
namespace {

// A log of 10 GiB on a slow disk.
constexpr Duration kPatience = std::chrono::seconds(120);

bool Ask(Client* client, const std::vector<std::string>& ids, const std::string& source,
         host::v1::WhyResponse* response) {
  host::v1::WhyRequest request;
  for (const std::string& id : ids) request.add_event_ids(id);
  request.set_source(source);
  return client->Call(&host::v1::AdminService::Stub::Why, request, response, kPatience);
}

void PrintAll(const host::v1::WhyResponse& response, const Terminal& terminal) {
  for (const host::v1::EventStory& story : response.events()) {
    if (&story != &response.events(0)) terminal.out << "\n";
    Print(story, terminal);
  }
  if (response.events_size() > 1) {
    terminal.out << "\n"
                 << response.events_size() << " events have this id; --source tells apart "
                 << "those of several sources\n";
  }
  if (!response.searched().log()) {
    terminal.out
        << "\nThis bus keeps no log: lanes that it went straight through are not listed.\n";
  }
  for (const std::string& problem : response.searched().problems())
    terminal.out << "\ncould not ask " << EscapeForPeople(problem) << "\n";
  terminal.out << std::flush;
}

int TellTree(const host::v1::WhyResponse& response, Client* client, const Terminal& terminal) {
  WhyTree tree;
  const auto ask = [client](const std::vector<std::string>& ids, host::v1::WhyResponse* more) {
    return Ask(client, ids, "", more);
  };
  if (!tree.Follow({response.events().begin(), response.events().end()}, ask))
    return client->exit_code();
  if (client->json()) {
    Json out = {{"tree", tree.ToJson()}, {"cut_off", tree.cut_off()}};
    out["searched"] = ToJson(response.searched());
    terminal.out << ToLine(out) << std::endl;
  } else {
    tree.Print(terminal);
    terminal.out << std::flush;
  }
  return kOk;
}

}  // namespace

int RunWhy(const WhyOptions& options, const Terminal& terminal) {
  Client client(options.host, terminal);
  if (!client.connected()) return client.exit_code();
  host::v1::WhyResponse response;
  if (!Ask(&client, {options.id}, options.source, &response)) return client.exit_code();
  if (response.events().empty()) {
    return client.Fail(kFailed, NotFoundText(options.id, options.source, response.searched()));
  }
  if (options.tree) return TellTree(response, &client, terminal);
  if (client.json()) {
    terminal.out << ToLine(ToJson(response)) << std::endl;
  } else {
    PrintAll(response, terminal);
  }
  return kOk;
}

}  // namespace outboard::app

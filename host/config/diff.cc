#include "host/config/diff.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "host/base/text.h"
#include "host/config/dump.h"

namespace outboard::config {

using Json = nlohmann::ordered_json;

namespace {

constexpr size_t kMostText = 80;  // Bytes of a value that is shown.

std::string Shown(const Json* value) {
  if (value == nullptr) return "nothing";
  std::string text = value->is_string()
                         ? value->get<std::string>()
                         : value->dump(-1, ' ', false, Json::error_handler_t::replace);
  text = Truncate(text, kMostText);
  return text.empty() ? "\"\"" : text;
}

const Json* Child(const Json& of, const std::string& key) {
  const auto found = of.find(key);
  return found == of.end() ? nullptr : &*found;
}

// One value in two forms.
struct Both {
  const Json* real = nullptr;   // Is compared.
  const Json* shown = nullptr;  // The same without secrets.

  Both operator[](const std::string& key) const { return {Child(*real, key), Child(*shown, key)}; }
};

void AddDetails(const std::string& path, const Both& before, const Both& after,
                std::vector<std::string>* out);

void AddDetail(const std::string& path, const Both& before, const Both& after,
               std::vector<std::string>* out) {
  if (before.real != nullptr && after.real != nullptr) {
    if (*before.real == *after.real) return;
    if (before.real->is_object() && after.real->is_object())
      return AddDetails(absl::StrCat(path, "."), before, after, out);
  }
  const std::string from = Shown(before.shown);
  const std::string to = Shown(after.shown);
  out->push_back(from == to ? absl::StrCat(path, ": another value")
                            : absl::StrCat(path, ": ", from, " -> ", to));
}

// `path` is empty or ends with a dot.
void AddDetails(const std::string& path, const Both& before, const Both& after,
                std::vector<std::string>* out) {
  for (const auto& [key, value] : before.real->items())
    AddDetail(absl::StrCat(path, key), before[key], after[key], out);
  for (const auto& [key, value] : after.real->items()) {
    if (!before.real->contains(key)) AddDetail(absl::StrCat(path, key), {}, after[key], out);
  }
}

std::vector<std::string> DetailsOf(const Json& before, const Json& after) {
  const Json shown_before = HideSecrets(before, false);
  const Json shown_after = HideSecrets(after, false);
  std::vector<std::string> details;
  AddDetails("", {&before, &shown_before}, {&after, &shown_after}, &details);
  return details;
}

const Json* Named(const Json& list, const std::string& name) {
  for (const Json& item : list) {
    if (item["name"] == name) return &item;
  }
  return nullptr;
}

void Compare(const std::string& section, const Json& before, const Json& after,
             std::vector<Change>* out) {
  for (const Json& item : after) {
    const std::string name = item["name"];
    const Json* former = Named(before, name);
    if (former == nullptr) {
      out->push_back({Change::Kind::kAdded, section, name, {}});
    } else if (*former != item) {
      out->push_back({Change::Kind::kChanged, section, name, DetailsOf(*former, item)});
    }
  }
  for (const Json& item : before) {
    if (Named(after, item["name"]) == nullptr)
      out->push_back({Change::Kind::kRemoved, section, item["name"], {}});
  }
}

}  // namespace

std::vector<Change> Diff(const Config& before, const Config& after) {
  const Json a = ConfigAsJson(before);
  const Json b = ConfigAsJson(after);
  std::vector<Change> out;
  for (const char* section : {"host", "bus"}) {
    if (a[section] != b[section])
      out.push_back({Change::Kind::kChanged, section, "", DetailsOf(a[section], b[section])});
  }
  constexpr std::pair<const char*, const char*> kLists[] = {{"plugins", "plugin"},
                                                            {"routes", "route"},
                                                            {"pipelines", "pipeline"},
                                                            {"ingress", "ingress"}};
  const Json none = Json::array();
  for (const auto& [list, section] : kLists)
    Compare(section, a.value(list, none), b.value(list, none), &out);
  return out;
}

std::string ToText(const Change& change) {
  const char* kind = change.kind == Change::Kind::kAdded     ? "added"
                     : change.kind == Change::Kind::kChanged ? "changed"
                                                             : "removed";
  return absl::StrCat(kind, " ", change.section, change.name.empty() ? "" : " ", change.name);
}

}  // namespace outboard::config

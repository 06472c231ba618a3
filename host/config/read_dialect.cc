#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "host/config/scalar.h"
#include "host/config/section.h"
#include "host/config/sections.h"

namespace outboard::config {
namespace {

using dialect::DialectOptions;
using dialect::Kind;
using dialect::Mapping;
using dialect::Place;
using dialect::Places;

// One of `words`.
template <typename T, size_t n>
void ReadWord(const Value& value, const std::pair<const char*, T> (&words)[n], T* out) {
  ReadChoice<T>(value, {std::begin(words), std::end(words)}, out);
}

std::optional<Place> ReadPlaceWith(const Value& value) {
  const Section section(value, {"body", "header", "text"});
  if (section.Has("body") + section.Has("header") + section.Has("text") != 1) {
    value.Problem("needs one of body, header and text", "write each place on its own, in a list");
    return std::nullopt;
  }
  Place place;
  if (const std::optional<Value> body = section.Get("body")) {
    place.from = Place::From::kBody;
    for (const Value& item : ReadItems(*body))
      ReadText(item, Secrecy::kOpen, &place.pointers.emplace_back());
    return place;
  }
  place.from = section.Has("header") ? Place::From::kHeader : Place::From::kFixed;
  section.With("header", ReadText, Secrecy::kOpen, &place.text);
  section.With("text", ReadText, Secrecy::kOpen, &place.text);
  return place;
}

std::optional<Place> ReadPlace(const Value& value) {
  if (value.node().IsMap()) return ReadPlaceWith(value);
  const size_t before = value.reading().problems.size();
  Place::From from = Place::From::kFixed;
  ReadWord(value, kPlaceWords, &from);
  if (value.reading().problems.size() != before) return std::nullopt;
  return Place::At(from);
}

Places* PlacesOf(const std::string& attribute, Mapping* mapping) {
  if (attribute == "id") return &mapping->id;
  if (attribute == "source") return &mapping->source;
  if (attribute == "type") return &mapping->type;
  if (attribute == "subject") return &mapping->subject;
  if (attribute == "time") return &mapping->time;
  return &mapping->more.emplace_back(attribute, Places()).second;
}

void ReadAttributes(const Value& value, Mapping* mapping) {
  for (const auto& [attribute, child] : ReadEntries(value)) {
    const size_t before = value.reading().problems.size();
    Places places;
    for (const Value& item : ReadItems(child)) {
      if (std::optional<Place> place = ReadPlace(item)) places.push_back(*std::move(place));
    }
    if (value.reading().problems.size() != before) continue;
    const absl::Status status = dialect::CheckAttribute(attribute, places);
    if (!status.ok()) child.Problem(std::string(status.message()));
    *PlacesOf(attribute, mapping) = std::move(places);
  }
}

void ReadPrefix(const Value& value, std::string* out) {
  ReadChoice<std::string>(
      value, {{"cloudEvents:", "cloudEvents:"}, {"cloudEvents_", "cloudEvents_"}, {"ce-", "ce-"}},
      out);
}

}  // namespace

void ReadDialect(const Value& value, DialectOptions* dialect) {
  const Section section(value, {"kind", "form", "prefix", "attributes"});
  section.With("kind", [&](const Value& kind) { ReadWord(kind, kDialectWords, &dialect->kind); });
  section.With("form", [&](const Value& form) { ReadWord(form, kFormWords, &dialect->form); });
  section.With("prefix", ReadPrefix, &dialect->prefix);
  section.With("attributes", ReadAttributes, &dialect->mapping);
  const bool events = dialect->kind == Kind::kCloudEvents;
  if (const std::optional<Value> form = section.Get("form"); form && !events) {
    form->Problem("is of kind cloudevents alone", "remove it");
  }
  if (const std::optional<Value> attributes = section.Get("attributes"); attributes && events) {
    attributes->Problem("is of the kinds json and raw: a CloudEvent says its attributes itself",
                        "set kind, or remove it");
  }
}

}  // namespace outboard::config

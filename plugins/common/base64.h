#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace outboard::common {

std::string Base64(std::string_view bytes);

// Nothing where the text is not whole Base64 with its padding.
std::optional<std::string> FromBase64(std::string_view text);

}  // namespace outboard::common

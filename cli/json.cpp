#include <steward/cli/json.hpp>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <steward/cli/base64.hpp>
#include <steward/cli/usage.hpp>

namespace steward::cli {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kBytes = "$bytes";
constexpr std::string_view kText = "$text";
constexpr std::string_view kReal = "$real";
constexpr std::string_view kMap = "$map";

bool is_form(std::string_view key) { return key.starts_with('$'); }

// ---- Out ----

bool is_utf8(const std::string& text) {
  try {
    Json(text).dump();
    return true;
  } catch (const Json::exception&) {
    return false;
  }
}

// Whether all its keys are text that JSON can hold, and none is taken for a form.
bool is_object(const Value::Map& map) {
  return std::ranges::all_of(map, [](const auto& entry) {
    const Value& key = entry.first;
    return key.is<std::string>() && !is_form(key.string()) && is_utf8(key.string());
  });
}

class Printer {
 public:
  void value(const Value& value) {
    switch (value.kind()) {
      case ValueKind::nil: out_ += "null"; return;
      case ValueKind::boolean: out_ += value.boolean() ? "true" : "false"; return;
      case ValueKind::integer:
        out_ += value.is<std::int64_t>() ? std::to_string(value.integer())
                                         : std::to_string(value.natural());
        return;
      case ValueKind::real: real(value.real()); return;
      case ValueKind::string: text(value.string()); return;
      case ValueKind::bytes: form(kBytes, json_string(to_base64(value.bytes()))); return;
      case ValueKind::list: list(value.list()); return;
      case ValueKind::map: map(value.map()); return;
      case ValueKind::proxy: proxy(value.reference()); return;
    }
  }
  std::string take() { return std::move(out_); }

 private:
  void form(std::string_view name, std::string_view content) {
    out_ += "{\"";
    out_ += name;
    out_ += "\": ";
    out_ += content;
    out_ += '}';
  }

  void real(double number) {
    if (std::isnan(number)) {
      form(kReal, "\"NaN\"");
    } else if (std::isinf(number)) {
      form(kReal, number < 0 ? "\"-Infinity\"" : "\"Infinity\"");
    } else {
      out_ += Json(number).dump();  // the shortest that reads back as the same
    }
  }

  void text(const std::string& text) {
    if (!looks_like_handle(text) && is_utf8(text)) {
      out_ += json_string(text);
    } else {
      form(kText, json_string(to_base64(text)));
    }
  }

  // A handle of another manager is data, as it is.
  void proxy(const detail::core::ReferencePtr& reference) {
    if (!reference) throw StaleHandle("an empty proxy has no handle");
    out_ += json_string(detail::core::token_text(reference->outgoing()));
  }

  void list(const Value::List& items) {
    out_ += '[';
    std::string_view separator;
    for (const Value& item : items) {
      out_ += std::exchange(separator, ", ");
      value(item);
    }
    out_ += ']';
  }

  void map(const Value::Map& entries) {
    const bool object = is_object(entries);
    if (!object) {
      out_ += "{\"";
      out_ += kMap;
      out_ += "\": [";
    } else {
      out_ += '{';
    }
    std::string_view separator;
    for (const auto& [key, item] : entries) {
      out_ += std::exchange(separator, ", ");
      if (object) {
        out_ += json_string(key.string()) + ": ";
        value(item);
      } else {
        list({key, item});
      }
    }
    out_ += object ? "}" : "]}";
  }

  std::string out_;
};

// ---- In ----

// Why a text is no JSON, without the library's numbers in front.
std::string reason_of(const Json::exception& error) {
  std::string text = error.what();
  if (const auto end = text.find("] "); text.starts_with('[') && end != std::string::npos) {
    text.erase(0, end + 2);
  }
  return text;
}

// What somebody typed who has forgotten the quotes.
bool is_word(std::string_view text) {
  constexpr std::size_t kShort = 32;
  return !text.empty() && text.size() <= kShort && std::ranges::all_of(text, [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.';
  });
}

// Builds Values from what the parser says, level by level: no recursion, and no detour that would
// lose the order of keys, keys that come twice, or integers that do not fit.
class Builder final : public Json::json_sax_t {
 public:
  Builder(std::string_view text, std::string_view what, const ConnectOptions& options)
      : what_(what), example_(is_word(text) ? text : "text"), options_(options) {}

  Value take() {
    if (result_->depth() > detail::core::kValueDepth) too_deep();
    return *std::move(result_);
  }

  bool null() override { return add(); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t& text) override {
    if (text.find_first_of(".eE") == string_t::npos) {
      throw UsageError(what_ + ": the integer " + text + " does not fit 64 bits");
    }
    return add(value);
  }
  bool string(string_t& text) override {
    // The content of a form is never a handle.
    const bool content = !levels_.empty() && levels_.back().object && levels_.back().is_form();
    if (content || !looks_like_handle(text)) return add(std::move(text));
    try {
      return add(open<Object>(text, options_));
    } catch (const BadCall& error) {
      throw UsageError(what_ + ": " + error.what());
    }
  }
  bool binary(binary_t&) override { return false; }  // JSON has none

  bool start_object(std::size_t) override { return open_level(true); }
  bool key(string_t& key) override {
    levels_.back().keys.push_back(std::move(key));
    return true;
  }
  bool end_object() override {
    Level level = close_level();
    return add(level.is_form() ? form(level) : object(level));
  }
  bool start_array(std::size_t) override { return open_level(false); }
  bool end_array() override { return add(made([&] { return Value(close_level().items); })); }

  bool parse_error(std::size_t, const std::string&, const Json::exception& error) override {
    throw UsageError(what_ + " is no JSON: " + reason_of(error) +
                     " (a text needs its own quotes: '\"" + example_ + "\"')");
  }

 private:
  struct Level {
    bool object;
    std::vector<std::string> keys;
    Value::List items;
    bool is_form() const { return keys.size() == 1 && cli::is_form(keys[0]); }
  };

  bool open_level(bool object) {
    // A map with any keys takes three levels of JSON.
    if (levels_.size() > 3 * detail::core::kValueDepth) too_deep();
    levels_.push_back({object, {}, {}});
    return true;
  }
  Level close_level() {
    Level level = std::move(levels_.back());
    levels_.pop_back();
    return level;
  }
  // A Value that is made of this, where it stays.
  template <class... From>
  bool add(From&&... from) {
    if (levels_.empty()) {
      result_.emplace(std::forward<From>(from)...);
    } else {
      levels_.back().items.emplace_back(std::forward<From>(from)...);
    }
    return true;
  }

  [[noreturn]] void too_deep() const {
    throw UsageError(what_ + ": values nest at most " + std::to_string(detail::core::kValueDepth) +
                     " deep");
  }
  [[noreturn]] void wrong(const std::string& form, const std::string& why) const {
    throw UsageError(what_ + ": {\"" + form + "\": ...} " + why);
  }

  template <class F>
  Value made(F make) const {
    try {
      return make();
    } catch (const BadCall& error) {
      throw UsageError(what_ + ": " + error.what());
    }
  }
  Value object(Level& level) const {
    Value::Map entries;
    for (std::size_t i = 0; i < level.keys.size(); ++i) {
      if (cli::is_form(level.keys[i])) wrong(level.keys[i], "must be the only key of its object");
      entries.emplace_back(std::move(level.keys[i]), std::move(level.items[i]));
    }
    return made([&] { return Value::of_map(std::move(entries)); });
  }

  Value form(const Level& level) const {
    const std::string& name = level.keys[0];
    const Value& content = level.items[0];
    if (name == kMap) return map_form(name, content);
    if (name != kBytes && name != kText && name != kReal) {
      wrong(name, "is no form that is known; a map with this one key is {\"$map\": [[\"" + name +
                      "\", ...]]}");
    }
    if (!content.is<std::string>()) wrong(name, "holds a text");
    if (name == kReal) return real_form(name, content.string());
    auto bytes = from_base64(content.string());
    if (!bytes) wrong(name, "holds base64");
    return name == kBytes ? Value::of_bytes(*bytes) : Value(*std::move(bytes));
  }

  Value real_form(const std::string& name, const std::string& text) const {
    if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
    if (text == "Infinity") return std::numeric_limits<double>::infinity();
    if (text == "-Infinity") return -std::numeric_limits<double>::infinity();
    wrong(name, "holds \"NaN\", \"Infinity\" or \"-Infinity\"");
  }

  Value map_form(const std::string& name, const Value& content) const {
    constexpr std::string_view kWhat = "holds pairs [key, value]";
    if (content.kind() != ValueKind::list) wrong(name, std::string(kWhat));
    Value::Map entries;
    for (const Value& pair : content.list()) {
      if (pair.kind() != ValueKind::list || pair.list().size() != 2) {
        wrong(name, std::string(kWhat));
      }
      entries.emplace_back(pair.list()[0], pair.list()[1]);
    }
    return made([&] { return Value::of_map(std::move(entries)); });
  }

  const std::string what_;
  const std::string example_;  // what was meant as a text, if that can be told
  const ConnectOptions& options_;
  std::vector<Level> levels_;
  std::optional<Value> result_;
};

}  // namespace

bool looks_like_handle(std::string_view text) { return text.starts_with("steward:1:"); }

std::string json_string(std::string_view text) {
  const std::string plain =
      Json(std::string(text)).dump(-1, ' ', false, Json::error_handler_t::replace);
  std::string out;
  for (std::size_t i = 0; i < plain.size(); ++i) {
    const auto byte = static_cast<unsigned char>(plain[i]);
    const auto next = i + 1 < plain.size() ? static_cast<unsigned char>(plain[i + 1]) : 0U;
    constexpr std::string_view kHex = "0123456789abcdef";
    if (byte == 0x7fU) {
      out += "\\u007f";
    } else if (byte == 0xc2U && next >= 0x80U && next < 0xa0U) {  // U+0080 to U+009F
      out += "\\u00";
      out += kHex[next >> 4U];
      out += kHex[next & 15U];
      ++i;
    } else {
      out += plain[i];
    }
  }
  return out;
}

std::string to_json(const Value& value) {
  Printer printer;
  printer.value(value);
  return printer.take();
}

Value from_json(std::string_view text, std::string_view what, const ConnectOptions& options) {
  Builder builder(text, what, options);
  Json::sax_parse(text.begin(), text.end(), &builder);
  return builder.take();
}

}  // namespace steward::cli

#include <steward/cli/remote.hpp>

#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <stdexcept>

#include <steward/cli/json.hpp>
#include <steward/cli/key_file.hpp>
#include <steward/cli/usage.hpp>

namespace steward::cli {
namespace {

using Milliseconds = std::chrono::milliseconds;

constexpr double kLongestSeconds = 1e9;

struct Number {
  std::string type;  // empty: any
  std::uint64_t id;
};

// nullopt: the text is no object's number.
std::optional<Number> parse_number(std::string_view text) {
  const auto hash = text.rfind('#');
  const bool has_hash = hash != std::string_view::npos;
  const std::string_view digits = has_hash ? text.substr(hash + 1) : text;
  std::uint64_t id = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), id);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return Number{std::string(text.substr(0, has_hash ? hash : 0)), id};
}

}  // namespace

std::string shielded(std::string argument) {
  const bool special = !argument.empty() && std::string_view("[{ ").find(argument[0]) !=
                                                std::string_view::npos;
  return special ? " " + argument : argument;
}

std::string unshielded(const std::string& argument) {
  return argument.starts_with(' ') ? argument.substr(1) : argument;
}

void add_key_file(CLI::App& command, std::string& path) {
  command
      .add_option("--key-file", path,
                  "File with the manager's key, readable by its owner only")
      ->option_text("FILE")
      ->envname("STEWARD_KEY_FILE");
}

Remote::Remote(CLI::App& command) {
  command
      .add_option("ADDRESS", address_,
                  "Where the manager is: what `steward serve` prints, or its name")
      ->option_text(" ")
      ->required();
  add_key_file(command, key_file_);
  command
      .add_option("--timeout", seconds_, "How long to wait for the manager, and for the call")
      ->option_text("SECONDS")
      ->check([](const std::string& text) {
        double seconds = 0;
        const bool number = CLI::detail::lexical_cast(text, seconds) && std::isfinite(seconds);
        const bool fits = number && seconds > 0 && seconds <= kLongestSeconds;
        return fits ? std::string() : "'" + text + "' is no number of seconds above 0";
      });
}

Manager Remote::connect() {
  if (!key_file_.empty()) options_.key = read_key(key_file_);
  if (seconds_) {
    options_.timeout = std::chrono::ceil<Milliseconds>(std::chrono::duration<double>(*seconds_));
  }
  try {
    Manager manager = Manager::connect(address(), options_);
    if (seconds_) detail::manager::ManagerAccess::set_patience(manager, options_.timeout);
    return manager;
  } catch (const BadCall& error) {
    throw UsageError(error.what());
  } catch (const AuthenticationError& error) {
    if (key_file_.empty()) throw;
    throw AuthenticationError(std::string(error.what()) + " (the key is from " + key_file_ + ")");
  }
}

Object Remote::hurried(const Object& object) const {
  return seconds_ ? object.with_timeout(std::chrono::duration<double>(*seconds_)) : object;
}

CLI::Option* add_object(CLI::App& command, std::string& text) {
  return command
      .add_option("OBJECT", text, "A name, a number as in list#3 or 3, or a handle (steward:1:...)")
      ->option_text(" ")
      ->required();
}

Object find_object(const Manager& manager, const std::string& argument,
                   const ConnectOptions& options) {
  const std::string text = unshielded(argument);
  if (looks_like_handle(text)) {
    try {
      return open<Object>(text, options);
    } catch (const BadCall& error) {
      throw UsageError(error.what());
    }
  }
  if (auto named = manager.find(text)) return *std::move(named);
  const auto number = parse_number(text);
  if (!number) throw std::out_of_range("there is no object named '" + text + "'");
  Object object;
  try {
    object = manager.object(number->id);
  } catch (const StaleHandle&) {
    throw std::out_of_range("there is no object " + text);
  }
  if (!number->type.empty() && number->type != object.typeid_name()) {
    throw std::out_of_range("there is no " + text + ": that is " + short_name(object));
  }
  return object;
}

std::string short_name(const Object& object) {
  return object.typeid_name() + "#" + std::to_string(object.id());
}

}  // namespace steward::cli

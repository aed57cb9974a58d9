// What the subcommands have in common that speak to a manager.
#pragma once

#include <concepts>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <CLI/CLI.hpp>

#include <steward/steward.hpp>

namespace steward::cli {

// CLI11 takes [a, b] for a list of its own and {} for an empty one. A blank in front, which JSON
// ignores, keeps such an argument whole; arguments that begin with a blank get one too, so that
// unshielded() is always right.
std::string shielded(std::string argument);
std::string unshielded(const std::string& argument);

// A subcommand that speaks to a manager: ADDRESS, --key-file and --timeout. Each derives from this,
// adds its own options in its constructor, and does its work in run(manager).
class Remote {
 public:
  explicit Remote(CLI::App& command);

  // The manager, all of whose calls end with --timeout. Throws UsageError if the address or key
  // file is wrong, Disconnected, AuthenticationError.
  Manager connect();

 protected:
  // As the manager was connected to.
  const ConnectOptions& options() const { return options_; }
  // As it was typed.
  std::string address() const { return unshielded(address_); }
  // The same object, whose calls end with --timeout.
  Object hurried(const Object& object) const;

 private:
  std::string address_;
  std::string key_file_;
  std::optional<double> seconds_;
  ConnectOptions options_;
};

template <std::derived_from<Remote> Command>
void add_remote(CLI::App& program, const std::string& name, const std::string& what,
                const std::string& help) {
  CLI::App* app = program.add_subcommand(name, what);
  app->footer(help);
  auto command = std::make_shared<Command>(*app);
  app->callback([command] {
    Manager manager = command->connect();
    command->run(manager);
  });
}

// --key-file, or the environment's STEWARD_KEY_FILE.
void add_key_file(CLI::App& command, std::string& path);

// OBJECT: a name; else "list#3", "#3" or "3"; else a handle. Throws UsageError if it is of another
// type than it says; std::out_of_range if there is none.
CLI::Option* add_object(CLI::App& command, std::string& text);
Object find_object(const Manager& manager, const std::string& text, const ConnectOptions& options);

// "list#3"
std::string short_name(const Object& object);

}  // namespace steward::cli

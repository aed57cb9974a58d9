#include <array>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include <steward/cli/commands.hpp>
#include <steward/cli/remote.hpp>
#include <steward/cli/table.hpp>
#include <steward/cli/values.hpp>

namespace steward::cli {
namespace {

// Likely to be nobody else's.
std::string new_name(const std::string& type) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  constexpr int kLength = 8;
  std::random_device random;
  std::uniform_int_distribution<std::size_t> digit(0, kDigits.size() - 1);
  std::string name = type + "-";
  for (int i = 0; i < kLength; ++i) name += kDigits[digit(random)];
  return name;
}

struct Create : Remote {
  explicit Create(CLI::App& command) : Remote(command) {
    command.add_option("TYPE", type, "list, dict, queue, lock, rlock")
        ->option_text(" ")
        ->required();
    command
        .add_option("JSON", arguments,
                    "What it is made with: items, entries, a size; -: standard input")
        ->option_text("...");
    command.add_option("--name", name, "Its name; without it one is made up")
        ->option_text("NAME");
  }

  // Without a name the object would go with this process.
  void run(const Manager& manager) const {
    const Value::List values = read_values(arguments, options());
    const std::string its_name = name ? unshielded(*name) : new_name(type);
    manager.create(type, named(its_name), values);
    std::cout << visible(its_name) << '\n';
  }

  std::string type;
  std::vector<std::string> arguments;
  std::optional<std::string> name;
};

}  // namespace

void add_create(CLI::App& program) {
  add_remote<Create>(
      program, "create", "Create a named object and print its name",
      "If there is an object of that name and type already, it stays as it is. It lives until\n"
      "`steward remove`.\n\n"
      "  steward create \"$ADDRESS\" list --name scores '[1, 2]'\n"
      "  steward create \"$ADDRESS\" dict --name ages '{\"ada\": 36}'\n"
      "  jobs=$(steward create \"$ADDRESS\" queue)");
}

}  // namespace steward::cli

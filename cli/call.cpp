#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <steward/cli/commands.hpp>
#include <steward/cli/json.hpp>
#include <steward/cli/remote.hpp>

namespace steward::cli {
namespace {

struct Call {
  explicit Call(CLI::App& command) : remote(command) {
    add_object(command, object);
    command.add_option("METHOD", method, "Its name: docs/protocol.md lists those of each class")
        ->option_text(" ")
        ->required();
    command.add_option("JSON", arguments, "Its arguments")->option_text("...");
  }

  void run() const {
    const Manager manager = remote.connect();
    const ConnectOptions options = remote.options();
    Value::List values;
    for (const std::string& text : arguments) {
      const std::string what = "argument " + std::to_string(values.size() + 1);
      values.push_back(from_json(text, what, options));
    }
    const Object target = remote.hurried(find_object(manager, object, options));
    std::cout << to_json(target.apply(method, values)) << '\n';
  }

  Remote remote;
  std::string object;
  std::string method;
  std::vector<std::string> arguments;
};

}  // namespace

void add_call(CLI::App& program) {
  CLI::App* command = program.add_subcommand("call", "Call a method of an object");
  auto call = std::make_shared<Call>(*command);
  command->footer(
      "Prints the result; null is nothing, [] and [x] are none and one.\n"
      "What JSON has no word for: {\"$bytes\": \"aGVsbG8=\"}, {\"$real\": \"NaN\"},\n"
      "{\"$map\": [[1, \"one\"]]}, {\"$text\": base64 of a text that is no UTF-8}.\n"
      "A handle is its text, \"steward:1:...\".\n\n"
      "  steward call \"$ADDRESS\" scores append 7\n"
      "  steward call \"$ADDRESS\" ages set '\"ada\"' 36\n"
      "  steward call \"$ADDRESS\" jobs get --timeout 5");
  command->callback([call] { call->run(); });
}

}  // namespace steward::cli

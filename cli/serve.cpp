#include <chrono>
#include <iostream>
#include <memory>
#include <optional>
#include <string>

#include <steward/cli/commands.hpp>
#include <steward/cli/key_file.hpp>
#include <steward/cli/notify.hpp>
#include <steward/cli/remote.hpp>
#include <steward/cli/table.hpp>
#include <steward/cli/usage.hpp>
#include <steward/manager/serve.hpp>
#include <steward/manager/standalone.hpp>

namespace steward::cli {
namespace {

// Far beyond what a start takes on a machine that is short of all.
constexpr std::chrono::seconds kStartTime{60};

struct Serve {
  std::string address;
  std::optional<std::string> name;
  std::string key_file;
  std::string log_file;
  bool background = false;

  void run() const {
    ManagerOptions options;
    if (!key_file.empty()) options.key = read_key(key_file);
    options.address = name ? name_to_address() : unshielded(address);
    if (background) return run_in_background(options);
    try {
      Manager::serve(options, [&](const std::string& where) {
        say_ready(where);
        notify_supervisor("READY=1");
      });
    } catch (const BadCall& error) {
      throw UsageError(error.what());
    }
  }

  std::string name_to_address() const {
    try {
      return detail::manager::address_for_name(unshielded(*name));
    } catch (const BadCall& error) {
      throw UsageError(error.what());
    }
  }

  static void say_ready(const std::string& where) {
    // Programs get it as it is.
    std::cout << (standard_output().terminal ? visible(where) : where) << std::endl;
  }

  void run_in_background(const ManagerOptions& options) const {
    const auto work = [&](const detail::manager::Tell& tell) {
      try {
        Manager::serve(options, [&](const std::string& where) {
          if (!tell({0, where})) throw std::runtime_error("nobody waits for the address");
        });
      } catch (const BadCall& error) {
        tell({kWrongArgument, error.what()});
      } catch (const std::exception& error) {
        tell({kFailed, error.what()});
      }
    };
    const detail::manager::Answer answer =
        detail::manager::run_in_background(log_file, kStartTime, work);
    if (answer.code == kWrongArgument) throw UsageError(answer.text);
    if (answer.code != 0) throw std::runtime_error(answer.text);
    detail::manager::warn_if_open(options);  // that of the manager itself went into its log
    say_ready(answer.text);
    if (std::cout) return;
    // Nobody would know where it is.
    const ConnectOptions again{.key = options.key};
    Manager manager = Manager::connect(answer.text, again);
    const bool ended = detail::manager::stop(manager, again.timeout);
    throw std::runtime_error(
        "cannot write the address, so the manager was " +
        std::string(ended ? "ended again" : "told to end, and is still there"));
  }
};

}  // namespace

void add_serve(CLI::App& program) {
  CLI::App* command =
      program.add_subcommand("serve", "Run a manager until SIGTERM, SIGINT or `steward stop`");
  auto serve = std::make_shared<Serve>();
  CLI::Option* address = command->add_option(
      "--address", serve->address,
      "tcp://host:port (0: any port), or ipc:///path of a socket; without it on this host, for "
      "this user");
  address->option_text("ADDRESS");
  command
      ->add_option("--name", serve->name,
                   "Name by which this user's programs find it, in place of an address")
      ->option_text("NAME")
      ->excludes(address);
  add_key_file(*command, serve->key_file);
  CLI::Option* background = command->add_flag(
      "--background", serve->background,
      "Go on without this shell: print the address once it is up, and return");
  command
      ->add_option("--log-file", serve->log_file,
                   "Where the manager in the background logs; else nowhere")
      ->option_text("FILE")
      ->needs(background);
  command->footer(
      "The first line of its output is its address; it logs to standard error. In the background\n"
      "neither Ctrl-C nor the end of the shell ends it. A tcp address without a key is open to\n"
      "every user of this host, and refused off it.\n\n"
      "  steward serve --background --name work\n"
      "  steward ls work\n"
      "  steward stop work\n\n"
      "  address=$(steward serve --background)\n"
      "  steward serve --address tcp://*:5000 --key-file team.key");
  command->callback([serve] { serve->run(); });
}

}  // namespace steward::cli

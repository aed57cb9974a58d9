// A managed list of managed dicts: what a child changes inside, the parent sees.
// Python: rows = manager.list([manager.dict(name="Ada"), manager.dict(name="Bob")])
#include <iostream>
#include <string>

#include <steward/steward.hpp>

using namespace steward;
using Row = Dict<std::string, std::string>;

void edit(List<Row> rows) {
  rows[0]->set("city", "London");
  for (Row row : rows) row.set("seen", "yes");
}

int main() {
  Manager manager;
  auto rows = manager.list<Row>();
  rows.append(manager.dict<std::string, std::string>({{"name", "Ada"}}));
  rows.append(manager.dict<std::string, std::string>({{"name", "Bob"}}));

  Process p(edit, rows);
  p.start();
  p.join();
  for (Row row : rows) std::cout << row << '\n';
}

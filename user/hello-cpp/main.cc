// user/hello-cpp/main.cc: greet, show the arguments and the environment, exit
// with the status given as `--exit N`.

#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

extern char **environ;

int
main(int argc, char **argv)
{
    std::vector<std::string> args(argv + 1, argv + argc);
    int status = 0;

    std::cout << "Hello from C++!\n";
    for (size_t i = 0; i < args.size(); i++) {
        std::cout << "argument " << i + 1 << ": " << args[i] << '\n';
        if (args[i] == "--exit" && i + 1 < args.size())
            status = std::atoi(args[i + 1].c_str());
    }
    for (char **e = environ; *e != nullptr; e++)
        std::cout << "environment: " << *e << std::endl;
    return status;
}

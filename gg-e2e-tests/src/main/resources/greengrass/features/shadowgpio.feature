# Runs on a real device with AWS credentials: gdk test-e2e build, then gdk test-e2e run. gdk fills in GDK_COMPONENT_NAME and GDK_COMPONENT_RECIPE_FILE.
Feature: GDK_COMPONENT_NAME on a core device

  Background:
    Given my device is registered as a Thing
    And my device is running Greengrass

  @ShadowGpio
  Scenario: As it is deployed first, without lines
    When I create a Greengrass deployment with components
      | GDK_COMPONENT_NAME | GDK_COMPONENT_RECIPE_FILE |
      | aws.greengrass.Cli | LATEST                    |
    And I deploy the Greengrass deployment configuration
    Then the Greengrass deployment is COMPLETED on the device after 180 seconds
    And I verify the GDK_COMPONENT_NAME component is RUNNING using the greengrass-cli
    And the GDK_COMPONENT_NAME log on the device contains the line "lines=0 shadows=0" within 30 seconds
    And the GDK_COMPONENT_NAME log on the device not contains the line "not authorized"

  @ShadowGpio
  Scenario: A line that the device does not have is told of, and the component goes on
    When I create a Greengrass deployment with components
      | GDK_COMPONENT_NAME | GDK_COMPONENT_RECIPE_FILE |
      | aws.greengrass.Cli | LATEST                    |
    And I update my Greengrass deployment configuration, setting the component GDK_COMPONENT_NAME configuration to:
      """
      {"MERGE": {
        "lines": {"lamp": {"line": "NO-SUCH-LINE", "direction": "output"}},
        "shadows": {"main": {"properties": {"lights": {"line": "lamp"}}}}
      }}
      """
    And I deploy the Greengrass deployment configuration
    Then the Greengrass deployment is COMPLETED on the device after 180 seconds
    And the GDK_COMPONENT_NAME log on the device contains the line "find line NO-SUCH-LINE" within 30 seconds
    And I verify the GDK_COMPONENT_NAME component is RUNNING using the greengrass-cli
    And the GDK_COMPONENT_NAME log on the device not contains the line "not authorized"

  @ShadowGpio
  Scenario: Restarts of the nucleus, without the cloud too
    When I create a Greengrass deployment with components
      | GDK_COMPONENT_NAME | GDK_COMPONENT_RECIPE_FILE |
      | aws.greengrass.Cli | LATEST                    |
    And I deploy the Greengrass deployment configuration
    Then the Greengrass deployment is COMPLETED on the device after 180 seconds
    When I set device network connectivity to OFFLINE
    And I restart Greengrass
    And I wait 10 seconds
    Then I verify the GDK_COMPONENT_NAME component is RUNNING using the greengrass-cli
    When I set device network connectivity to ONLINE
    Then I verify the GDK_COMPONENT_NAME component is RUNNING using the greengrass-cli
